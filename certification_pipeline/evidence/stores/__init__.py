"""Places evidence is pushed to and pulled from: objects under keys, whatever keeps them.

Knows keys, bytes and the conditions they are written under; what evidence is made of is for the gates.
"""
