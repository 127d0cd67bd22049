import { Forbidden } from "@medvault/contracts";
import { expect, test } from "vitest";
import { capturedLogger } from "../test/harness.ts";

const SECRET = "s3cr3t-mark";

test("only listed fields get out, whatever is nested around a secret", () => {
  const { logger, text, entries } = capturedLogger();
  logger.info(
    { count: 3, password: SECRET, body: { note: SECRET }, requestId: "r-1", list: [SECRET] },
    "imported",
  );
  logger.info(
    { rows: { deep: SECRET }, name: [SECRET], state: { toString: () => SECRET } },
    "nested under listed names",
  );
  logger.info(
    { req: { headers: { authorization: `Bearer ${SECRET}`, cookie: SECRET } }, headers: { a: SECRET } },
    "headers",
  );
  logger.child({ token: SECRET, component: "relay" }).warn({ user: { email: SECRET } }, "child");
  logger.info("with interpolation %s", SECRET);
  logger.info({ count: 1 }, "and %j", { a: SECRET });
  expect(text()).not.toContain(SECRET);
  expect(entries()[0]).toMatchObject({
    level: "info",
    service: "test",
    count: 3,
    requestId: "r-1",
    msg: "imported",
  });
  expect(entries()[3]).toMatchObject({ component: "relay", msg: "child" });
});

test("an error shows its class, codes and frames, but not what a database or parser quotes of values", () => {
  const { logger, text, entries } = capturedLogger();
  const database = Object.assign(new Error(`invalid input syntax for uuid: "${SECRET}"`), {
    code: "22P02",
    detail: SECRET,
    where: SECRET,
    constraint: "patients_pkey",
    query: SECRET,
  });
  logger.error({ err: new Error(`outer ${SECRET}`, { cause: database }) }, "failed");
  logger.error(new TypeError(`direct ${SECRET}\n    at ${SECRET} not a frame`));
  logger.error({ err: { message: SECRET } }, "not an error at all");
  expect(text()).not.toContain(SECRET);
  expect(entries()[0]).toMatchObject({
    err: { name: "Error", cause: { code: "22P02", constraint: "patients_pkey" } },
  });
  expect(entries()[0]).toHaveProperty("err.frames.0", expect.stringContaining("logger.test.ts"));
});

test("our own refusals and the operating system's errors keep their messages", () => {
  const { logger, entries } = capturedLogger();
  logger.warn({ err: new Forbidden("Not on the care team.") }, "refused");
  const away = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), {
    code: "ECONNREFUSED",
    syscall: "connect",
  });
  logger.warn({ err: away }, "away");
  expect(entries()[0]).toMatchObject({
    err: { name: "Forbidden", code: "forbidden", kind: "forbidden", message: "Not on the care team." },
  });
  expect(Object.keys(entries()[0]?.err ?? {}).sort()).toEqual(["code", "kind", "message", "name"]);
  expect(entries()[1]).toMatchObject({ err: { message: "connect ECONNREFUSED 127.0.0.1:1" } });
});

test("tokens and passwords that got into a message or a listed field are cut out", () => {
  const { logger, text } = capturedLogger();
  const jwt = `eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ4In0.${SECRET}`;
  logger.info(
    { reason: `Bearer ${SECRET}` },
    `bad token ${jwt} from postgres://medvault:${SECRET}@127.0.0.1/db`,
  );
  expect(text()).not.toContain(SECRET);
  expect(text()).toContain("postgres://medvault:*@127.0.0.1/db");
});
