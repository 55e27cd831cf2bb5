# The image under test, with one more module: a schedule that ticks every minute.
FROM certification-pipeline:0.1.0
COPY minutely.py /opt/minutely/
ENV PYTHONPATH=/opt/minutely
