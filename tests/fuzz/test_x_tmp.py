from tests.fuzz.test_canary import mine, schema, Mine, Author, random, CURSOR, as_text, PERSONAS
from sqlalchemy import event
from sqlalchemy.pool import Pool
import gc, asyncio, pytest, traceback
async def test_x(mine, schema):
    live = {}
    event.listen(Pool, "checkout", lambda c, r, p: live.__setitem__(id(c), "".join(traceback.format_stack()[-30:])))
    event.listen(Pool, "checkin", lambda c, r: live.pop(id(c), None))
    for who in PERSONAS:
        await mine.api.token(who)
        knowledge = mine.knowledge()
        author = Author(schema, knowledge, random.Random(f"canary {who}"))
        for i in range(60):
            d = author.query()
            a = await mine.api.ask(d, who)
            for cursor in CURSOR.findall(as_text(a.content)): knowledge.keep(cursor)
            if live:
                await asyncio.sleep(0.3)
            if live:
                print("LEAK", who, len(live), d, "\n", a.content)
                print("\nSTACK".join(live.values())[-3000:])
                return
