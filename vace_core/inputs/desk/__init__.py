"""What an artist draws on a clip: its document, the masks it draws, and objects selected and tracked in the clip."""
