import { newId } from "@medvault/contracts";
import type { connectBroker } from "@medvault/messaging";

const EVENTS_A_MESSAGE = 100;
const EXCHANGE = "medvault.events";

type Channel = Awaited<ReturnType<ReturnType<typeof connectBroker>["createConfirmChannel"]>>;

/** The id of the first event of a message, and when it was sent. */
export interface Sent {
  readonly id: string;
  readonly at: number;
}

/** Sends events of records, 800 bytes each, as its relay would; `perSecond` null: as fast as they go. */
export async function send(
  channel: Channel,
  count: number,
  perSecond: number | null,
  onSent: (sent: Sent) => void = () => {},
): Promise<void> {
  const began = performance.now();
  for (let sent = 0; sent < count; sent += EVENTS_A_MESSAGE) {
    const ids = Array.from({ length: EVENTS_A_MESSAGE }, newId);
    const body = `[${ids.map((id) => eventText(id)).join(",")}]`;
    const options = { persistent: true, mandatory: true, userId: "records", contentType: TYPE };
    if (!channel.publish(EXCHANGE, "medvault.records.audit", Buffer.from(body), options))
      await new Promise((resolve) => channel.once("drain", resolve));
    onSent({ id: ids[0] ?? "", at: performance.now() });
    const due = perSecond === null ? 0 : ((sent + EVENTS_A_MESSAGE) / perSecond) * 1_000;
    const wait = began + due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
  }
  await channel.waitForConfirms();
}

const TYPE = "application/cloudevents-batch+json";
/** Few people and patients, as in a clinic: rules keep windows of each. */
const ACTORS = Array.from({ length: 40 }, newId);
const PATIENTS = Array.from({ length: 2_000 }, newId);
let seq = 0;

function eventText(id: string): string {
  seq += 1;
  const [actor, patient] = [ACTORS[seq % ACTORS.length], PATIENTS[seq % PATIENTS.length]];
  return JSON.stringify({
    ...{ specversion: "1.0", id, source: "/medvault/records", type: "medvault.records.prescription.read.v1" },
    ...{
      subject: `prescription/${patient}`,
      time: new Date().toISOString(),
      datacontenttype: "application/json",
    },
    ...{ requestid: id, producerepoch: 1, producerseq: seq },
    data: {
      actor: { id: actor, role: "doctor", sessionId: actor },
      from: {
        ip: `192.0.2.${seq % 250}`,
        userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101",
      },
      ...{ patientIds: [patient], action: "prescription:read", purpose: "TREAT", outcome: "success" },
      decision: { allowed: true, reason: "assigned" },
      fields: ["medication", "dosage", "frequency", "startDate", "endDate", "notes"],
      details: { rev: 3 },
    },
  });
}
