"""The page about a run: one file of HTML without a script, a font or a picture from elsewhere."""
