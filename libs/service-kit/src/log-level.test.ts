import { listening } from "@medvault/testing";
import express from "express";
import { afterAll, expect, test } from "vitest";
import { capturedLogger } from "../test/harness.ts";
import { endApp } from "./app.ts";
import { mountLogLevel } from "./log-level.ts";
import { beginRequest } from "./request.ts";

const { logger, entries } = capturedLogger();
logger.level = "warn";
const admin = express();
admin.use((req, res, next) => {
  beginRequest(req, res);
  next();
});
mountLogLevel(admin, logger, 5);
endApp(admin, logger);
const { url, close } = await listening(admin);
afterAll(close);

const put = (body: object) =>
  fetch(`${url}/log-level`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
const level = async () =>
  (await (await fetch(`${url}/log-level`)).json()) as { level: string; until: string };

test("a process says more for a while, notes it, and is back at its setting by itself", async () => {
  const answer = await put({ level: "debug", minutes: 60 });
  expect(await answer.json()).toMatchObject({
    level: "debug",
    configured: "warn",
    until: expect.any(String),
  });
  expect(entries().at(-1)).toMatchObject({ level: "warn", state: "debug" });
  logger.debug("seen");
  expect(entries().at(-1)).toMatchObject({ level: "debug", msg: "seen" });
  await expect.poll(level).toEqual({ level: "warn", configured: "warn", until: null });
});

test("threat: anyone who reaches the admin port can neither silence the log nor keep it at length", async () => {
  for (const wanted of [
    { level: "error" },
    { level: "silent" },
    { level: "debug", minutes: 61 },
    { level: "debug", minutes: 0 },
  ])
    expect((await put(wanted)).status, JSON.stringify(wanted)).toBe(400);
  expect(await level()).toMatchObject({ level: "warn", until: null });
});
