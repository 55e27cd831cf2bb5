"""The engine protocol and the processes behind it. What an engine reports is a claim."""
