"""The Hearing-Aid Speech Perception Index and the ear model it rests on."""
