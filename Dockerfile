FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
RUN useradd --create-home --uid 1000 socialhub && install -d -o socialhub /data
WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
USER socialhub
VOLUME /data
EXPOSE 8000
CMD ["gunicorn", "socialhub.wsgi", "--bind", "0.0.0.0:8000", "--workers", "3", \
     "--threads", "8", "--timeout", "60", "--graceful-timeout", "10", \
     "--no-control-socket"]
