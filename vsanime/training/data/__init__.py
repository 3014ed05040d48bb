"""What is learned from: pictures and videos, found, split, read, degraded, and made into batches."""
