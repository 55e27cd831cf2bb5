"""Who certifies the certifier (DESIGN section 9): the reference engine with a defect, judged like all."""
