"""The earlier gate's way: claim, commit; process; done, commit. FastAPI, SQLAlchemy, psycopg2, confluent-kafka.

Answers a claim when its record is acknowledged by Kafka. No signature is checked and no body is kept.
"""

import hashlib
import json
import os
import threading
from contextlib import asynccontextmanager

from confluent_kafka import Producer
from fastapi import FastAPI, Request, Response
from sqlalchemy import create_engine, text
from starlette.concurrency import run_in_threadpool

engine = create_engine(os.environ["PEER_DATABASE_URL"], pool_size=16, max_overflow=0)
producer = Producer({"bootstrap.servers": os.environ["PEER_BROKERS"], "enable.idempotence": True, "acks": "all"})
topic = os.environ["PEER_TOPIC"]
stopping = threading.Event()

CLAIM = text(
    "INSERT INTO webhook_dedup_events (provider, dedup_key, status, request_hash) "
    "VALUES (:provider, :key, 'processing', :hash) ON CONFLICT (provider, dedup_key) DO NOTHING RETURNING id"
)
DONE = text("UPDATE webhook_dedup_events SET status = 'done', last_seen_at = now() WHERE id = :id")
FAILED = text("UPDATE webhook_dedup_events SET status = 'failed' WHERE id = :id")


def reports():
    while not stopping.is_set():
        producer.poll(0.01)


@asynccontextmanager
async def lifespan(_: FastAPI):
    thread = threading.Thread(target=reports, daemon=True)
    thread.start()
    yield
    stopping.set()
    producer.flush(10)


app = FastAPI(lifespan=lifespan)


def publish(key: str, value: bytes):
    reported = threading.Event()
    errors = []

    def report(error, _):
        if error is not None:
            errors.append(error)
        reported.set()

    producer.produce(topic, key=key, value=value, on_delivery=report)
    if not reported.wait(30) or errors:
        raise RuntimeError("not delivered")


def handle(body: bytes):
    event = json.loads(body)
    key = event["id"]
    with engine.begin() as connection:
        row = connection.execute(
            CLAIM, {"provider": "paypal", "key": key, "hash": hashlib.sha256(body).hexdigest()}
        ).first()
    if row is None:
        return {"status": "already_processed"}
    try:
        fact = {"id": key, "type": event["event_type"], "amount": event["resource"].get("amount")}
        publish(key, json.dumps(fact).encode())
    except Exception:
        with engine.begin() as connection:
            connection.execute(FAILED, {"id": row.id})
        raise
    with engine.begin() as connection:
        connection.execute(DONE, {"id": row.id})
    return {"status": "processed"}


@app.post("/webhooks/paypal")
async def webhook(request: Request):
    answer = await run_in_threadpool(handle, await request.body())
    return Response(json.dumps(answer), media_type="application/json")


@app.get("/healthz")
def healthz():
    return {"status": "ok"}
