import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type AlertPage, type AlertView, newId } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";
import { sendDue } from "./delivery.service.ts";
import type { AlertNotice } from "./delivery.ts";

const got: { type: string; data: AlertNotice }[] = [];
const webhook = createServer((req, res) => {
  let text = "";
  req.on("data", (piece) => {
    text += piece;
  });
  req.on("end", () => {
    got.push(JSON.parse(text));
    res.writeHead(204).end();
  });
});

let audit: TestAudit;
beforeAll(async () => {
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  audit = await startAudit({
    env: {
      MEDVAULT_ALERT_WEBHOOK_URL: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/`,
      MEDVAULT_ALERT_WEBHOOK_SECRETS: `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
      MEDVAULT_ALERT_WEBHOOK_PRIVATE: "true",
    },
  });
}, 30_000);
afterAll(async () => {
  await audit?.end();
  webhook.close();
  webhook.closeAllConnections();
});

test("what a rule finds goes out once however often the log is read, and so does what somebody makes of it", async () => {
  const attacker = newId();
  const hit = event(1, {
    source: "/medvault/gateway/a1",
    type: "medvault.gateway.screening.hit.v1",
    subject: "address/192.0.2.7",
    data: {
      actor: { id: attacker, role: "doctor", sessionId: null },
      patientIds: [],
      action: "request:refuse",
      outcome: "denied",
      decision: { allowed: false, reason: "sql" },
      details: { kind: "sql" },
    },
  });
  const { context } = audit;
  const { signal } = new AbortController();
  await audit.sendRaw("gateway", JSON.stringify([hit]));
  await audit.logged(1);
  await context.detector.run(signal);
  await context.detector.run(signal);
  await sendDue(context, signal);
  const [alert] = (await audit.as("auditor").get<z.infer<typeof AlertPage>>("/v1/audit/alerts")).body.items;
  expect(got).toMatchObject([
    { type: "alert.opened", data: { id: alert?.id, rule: "injection", severity: "critical", state: "open" } },
  ]);
  expect(got[0]?.data.events).toEqual([hit.id]);
  expect(got[0]?.data.whatToDo).toBe(alert?.whatToDo);

  const change = { state: "closed", note: "Dr. Vogel tried his new scanner" };
  await audit.as("auditor").patch<AlertView>(`/v1/audit/alerts/${alert?.id}`, change);
  await sendDue(context, signal);
  expect(got[1]).toMatchObject({ type: "alert.changed", data: { id: alert?.id, state: "closed" } });
  expect(JSON.stringify(got)).not.toMatch(new RegExp(`Vogel|${attacker}|192\\.0\\.2`));
});
