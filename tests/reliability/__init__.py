"""What can go wrong in a node pack for video, row by row: how often it does here."""
