"""The HTTP APIs: one for the meeting product (platform), one for its partners."""
