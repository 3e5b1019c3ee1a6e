"""Many at once, on loopback: nothing is lost, nothing fails."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx2

from prunescope.viewer.decisions import Decisions

READERS, REVIEWERS = 1000, 20
PATHS = ("/samples?flip=any", "/api/samples?attribute=Bald", "/image/3", "/sample?of=face/1 é", "/")


async def everybody(url, token):
    limits = httpx2.Limits(max_connections=READERS + REVIEWERS)
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=120) as client:
        gate = asyncio.Event()

        async def read(number):
            await gate.wait()
            return (await client.get(PATHS[number % len(PATHS)])).status_code

        async def review(who):
            await gate.wait()
            decided, told = [], {"x-prunescope-token": token}
            while True:
                session = {"session": who}
                answer = await client.post("/api/review/next", params=session, headers=told)
                item = answer.json()
                if item["position"] is None:
                    return decided
                key = item["id"], item["answer"]["attribute"]
                body = {"id": key[0], "attribute": key[1], "answer": "yes", "by": who}
                answer = await client.post("/api/review/decisions", json=body, headers=told)
                assert answer.status_code == 201
                decided.append(key)

        work = [read(number) for number in range(READERS)]
        work += [review(f"r{number}") for number in range(REVIEWERS)]
        tasks = [asyncio.create_task(one) for one in work]
        await asyncio.sleep(0)
        gate.set()
        done = await asyncio.gather(*tasks)
    return done[:READERS], done[READERS:]


def in_a_thread(work):
    """Run a coroutine where no browser's loop is running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def test_a_thousand_readers_and_twenty_reviewers_lose_nothing(
    running, collection, decisions, token
):
    statuses, decided = in_a_thread(everybody(running.url, token))
    assert statuses == [200] * READERS
    keys = [key for of_one in decided for key in of_one]
    n, a = collection.samples.labels.shape
    assert len(keys) == len(set(keys)) == n * a  # each answer was decided on once, by one person
    assert Decisions(decisions.path).decided == set(keys)
    assert sum(bool(of_one) for of_one in decided) > 1
