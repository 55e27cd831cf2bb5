# The image under test, with the code location that every kind of stack is tested with.
FROM certification-pipeline:0.1.0
COPY __init__.py /opt/tests/tests/
COPY orchestration/__init__.py /opt/tests/tests/orchestration/
COPY orchestration/stacks/__init__.py orchestration/stacks/location.py orchestration/stacks/size.py \
     /opt/tests/tests/orchestration/stacks/
ENV PYTHONPATH=/opt/tests
