"""What the line colorizer is trained on: shots of line art with the colours that belong to it."""
