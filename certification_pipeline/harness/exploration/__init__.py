"""A load broken at every boundary, at many moments, and under a reader's eyes (DESIGN section 8)."""
