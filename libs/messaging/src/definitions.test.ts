import { type Channel, type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import { afterAll, afterEach, expect, test } from "vitest";
import { createTestBroker } from "../../testing/src/index.ts";
import { BROKER_USERS, type BrokerUser, brokerDefinitions } from "./definitions.ts";
import { publishAll } from "./publisher.ts";
import { assertConsumerQueue, assertTopology, checkTopology, EVENTS_EXCHANGE } from "./topology.ts";

const broker = await createTestBroker();
const connections: ChannelModel[] = [];
afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close().catch(() => {})));
});
afterAll(() => broker.close());

async function channelOf(user: BrokerUser): Promise<ConfirmChannel> {
  const connection = await connect(broker.url(user));
  connection.on("error", () => {});
  connections.push(connection);
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => {});
  return channel;
}

/** The broker's code for closing the channel: 403 access refused, 406 precondition failed. */
async function refusal(work: (channel: Channel) => Promise<unknown>, user: BrokerUser): Promise<number> {
  const channel = await channelOf(user);
  const closed = new Promise<number>((resolve) => {
    channel.once("error", (error: Error & { code?: number }) => resolve(error.code ?? 0));
  });
  await work(channel).catch(() => {});
  return closed;
}

const message = (routingKey: string) => ({
  routingKey,
  contentType: "application/cloudevents-batch+json",
  body: Buffer.from("[]"),
});

test.each(BROKER_USERS)("%s may publish its own audit events", async (user) => {
  const channel = await channelOf(user);
  expect(await publishAll(channel, user, [message(`medvault.${user}.audit`)])).toEqual([true]);
});

test("a service cannot publish under another's routing key", async () => {
  const publish = (key: string) => (channel: Channel) =>
    publishAll(channel as ConfirmChannel, "records", [message(key)]);
  expect(await refusal(publish("medvault.auth.audit"), "records")).toBe(403);
  expect(await refusal(publish("medvault.recordsx.audit"), "records")).toBe(403);
  expect(await refusal(publish("anything"), "gateway")).toBe(403);
});

test("a service cannot publish in another's name", async () => {
  const publish = (channel: Channel) =>
    publishAll(channel as ConfirmChannel, "auth", [message("medvault.records.audit")]);
  expect(await refusal(publish, "records")).toBe(406);
});

test("a service cannot put anything into a queue past the exchange", async () => {
  const send = async (channel: Channel) => channel.sendToQueue("medvault.audit", Buffer.from("[]"));
  expect(await refusal(send, "records")).toBe(403);
});

test("no service but audit can read, empty or delete the audit queue", async () => {
  expect(await refusal((channel) => channel.consume("medvault.audit", () => {}), "records")).toBe(403);
  expect(await refusal((channel) => channel.purgeQueue("medvault.audit"), "records")).toBe(403);
  expect(await refusal((channel) => channel.deleteQueue("medvault.audit"), "records")).toBe(403);
  expect(await refusal((channel) => channel.deleteExchange(EVENTS_EXCHANGE), "records")).toBe(403);
});

test("a service can listen to domain events, and not to audit events", async () => {
  const domain = ["medvault.records.patient.erased.v1", "medvault.records.*.v1", "medvault.records.*.*.v2"];
  await assertConsumerQueue(await channelOf("files"), "medvault.files.patients", domain);
  for (const binding of [
    "#",
    "medvault.#",
    "medvault.*.audit",
    "medvault.records.audit",
    "medvault.records.*",
    "*.*.*",
  ]) {
    const bind = (channel: Channel) => channel.bindQueue("medvault.files.patients", EVENTS_EXCHANGE, binding);
    expect(await refusal(bind, "files"), binding).toBe(403);
  }
});

test("a service cannot make queues under another's name", async () => {
  const assert = (queue: string) => (channel: Channel) => assertConsumerQueue(channel, queue, []);
  expect(await refusal(assert("medvault.auth.spy"), "records")).toBe(403);
  expect(await refusal(assert("spy"), "records")).toBe(403);
  expect(await refusal(assert("medvault.gateway.spy"), "gateway")).toBe(403);
});

test("audit's user can declare the topology, any other only check it", async () => {
  await assertTopology(await channelOf("audit"));
  await checkTopology(await channelOf("gateway"));
  expect(await refusal(assertTopology, "auth")).toBe(403);
});

test("the definitions load into a broker, again too, and hold no password", async () => {
  const vhost = `${broker.vhost}_loaded`;
  const password = "a-password-that-must-not-show";
  const definitions = brokerDefinitions({ vhost, users: [{ name: "gateway", password }] });
  expect(JSON.stringify(definitions)).not.toContain(password);
  // Users belong to the whole server and other tests need theirs: load all but the users.
  const { users: _users, ...rest } = definitions as { users: unknown };
  await broker.manage("PUT", `vhosts/${vhost}`);
  await broker.manage("POST", "definitions", rest);
  await broker.manage("POST", "definitions", rest);
  const queue = await broker.manage("GET", `queues/${vhost}/medvault.audit`);
  expect(queue).toMatchObject({ type: "quorum", arguments: { "x-delivery-limit": 20 } });
  await broker.manage("DELETE", `vhosts/${vhost}`);
});
