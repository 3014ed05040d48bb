"""Files in and out: pictures and videos."""
