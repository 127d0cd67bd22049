import { afterAll, expect, test } from "vitest";
import { createStrengthMeter } from "./password-strength.service.ts";

const meter = createStrengthMeter();
afterAll(() => meter.close());

test("a name of one's own scores little, what nobody guesses scores 4", async () => {
  expect(await meter.scoreOf("", {})).toBe(0);
  expect(await meter.scoreOf("amelie.durand1", { email: "amelie.durand@clinic.example" })).toBeLessThan(3);
  expect(await meter.scoreOf("vK3!xq9Zt#LmWp2&", {})).toBe(4);
});

test("256 characters made to take long leave the event loop to others meanwhile", async () => {
  await meter.scoreOf("warm", {});
  let isDone = false;
  let turns = 0;
  const turn = () => {
    turns += 1;
    if (!isDone) setImmediate(turn);
  };
  turn();
  await Promise.all(
    ["4@8({[<369&#!1/|0$5+7%2", "p4$$w0rd@!1|", "12.11.1999", "aB3!"].map((piece) =>
      meter.scoreOf(piece.repeat(64).slice(0, 256), {}),
    ),
  );
  isDone = true;
  // Each takes tens of milliseconds at least: a loop that was held would have turned a few times.
  expect(turns).toBeGreaterThan(100);
});

test("more than fifty questions at once are 503, and the thread goes on", async () => {
  const asked = await Promise.allSettled(Array.from({ length: 60 }, (_, i) => meter.scoreOf(`q${i}`, {})));
  expect(asked.filter(({ status }) => status === "fulfilled")).toHaveLength(50);
  expect(asked.find(({ status }) => status === "rejected")).toMatchObject({
    reason: { code: "unavailable" },
  });
  expect(await meter.scoreOf("vK3!xq9Zt#LmWp2&", {})).toBe(4);
});
