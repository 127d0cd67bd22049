import { createPool } from "@medvault/postgres";
import { createProxy, createTestBroker, createTestDatabase } from "@medvault/testing";
import { expect, test } from "vitest";
import { startAudit } from "../../test/harness.ts";
import { events, eventually } from "../../test/log-harness.ts";

test("Postgres goes away in the middle and comes back: every event is logged once, none is parked", async () => {
  const database = await createTestDatabase(["audit"]);
  const proxy = await createProxy(database.url("audit"));
  const pool = createPool({ connectionString: proxy.url, applicationName: "test audit" });
  const audit = await startAudit({ pool, database });
  await audit.send(...events(50));
  await audit.logged(50);
  proxy.cut();
  await audit.send(...events(50, 51));
  await eventually(() => expect(audit.writer.state().phase).toBe("waiting"));
  await audit.send(...events(50, 101));
  proxy.restore();
  await audit.logged(150);
  await audit.published(150);
  expect(await audit.verify()).toEqual({ size: 150, checkpointSize: 150, ok: true });
  expect((await audit.superuser.query("select * from parked")).rows).toEqual([]);
  await audit.end();
  await pool.end();
  await proxy.close();
}, 40_000);

test("RabbitMQ goes away and comes back: what was sent meanwhile is logged", async () => {
  const rabbit = await createTestBroker();
  const proxy = await createProxy(rabbit.url("audit"));
  const audit = await startAudit({ rabbit, amqpUrl: proxy.url });
  await audit.send(...events(10));
  await audit.logged(10);
  proxy.cut();
  await audit.send(...events(10, 11));
  await eventually(() => expect(audit.broker.state()).not.toBe("connected"));
  expect((await audit.as("auditor").get("/readyz")).body).toMatchObject({
    status: "degraded",
    checks: { rabbitmq: "degraded", writer: "ok" },
  });
  expect((await audit.as("auditor").get("/v1/audit/events")).status).toBe(200);
  proxy.restore();
  await audit.logged(20);
  await audit.published(20);
  await audit.end();
  await proxy.close();
}, 40_000);
