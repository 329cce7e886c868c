"""Folders of audio to manifests of pairs or mixtures, and to datasets."""
