"""What the paper asks of trained generators, measured: see ``ANALYSES.md``.

Each module measures one thing and gives rows, a dict each, for a CSV file, and
points for ``okd_brain.analyses.plots``.  None of them changes a run.
"""
