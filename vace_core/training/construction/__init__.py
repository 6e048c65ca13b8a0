"""Data construction: raw videos become a folder of clips with masks, references, captions and controls."""
