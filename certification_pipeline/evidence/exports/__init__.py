"""A release in other people's formats. What one of them cannot say is said in words, never rounded up."""
