"""Assets by stage, left to right: plan, matrix, verdict. Each body is a few lines that call the pipeline."""
