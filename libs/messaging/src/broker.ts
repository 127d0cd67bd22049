import type { ConnectionOptions } from "node:tls";
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import { backoffMs, settlesWithin } from "./backoff.ts";
import { endConnection, watchBroker } from "./broker-watch.ts";
import { BrokerUnavailable, codeOf } from "./errors.ts";
import type { Logger } from "./logger.ts";

/** blocked: it takes no more for now, since it is short of disk or memory. */
type BrokerState = "connecting" | "connected" | "blocked" | "closed";

/** One connection to RabbitMQ that comes back by itself. Channels do not: open another. */
export interface Broker {
  readonly logger: Logger;
  state(): BrokerState;
  /** Throws BrokerUnavailable at once when there is no connection. */
  createChannel(): Promise<Channel>;
  createConfirmChannel(): Promise<ConfirmChannel>;
  /** Runs at every connection, now if there is one; the answer takes it off again. */
  onConnected(listener: () => void): () => void;
  /** Within 3 s, whatever the broker does. */
  close(): Promise<void>;
}

export interface BrokerOptions {
  readonly url: string;
  /** Further nodes, with the URL's user, password and virtual host. */
  readonly nodes?: readonly { readonly host: string; readonly port: number }[] | undefined;
  readonly logger: Logger;
  readonly tls?: ConnectionOptions;
}

/** RabbitMQ gives what a hung process has in hand to others after one of them to two. */
const HEARTBEAT_SECONDS = 4;
/** Without a byte. */
const CONNECT_TIMEOUT_MS = 3_000;
const OPERATION_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 3_000;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 1_000;

/**
 * Keeps a connection to the URL (`amqp[s]://user:password@host:port/vhost`), or to one of the other
 * `nodes` of its cluster, from now until `close`; what is lost on one goes on at the next. Never
 * throws for a broker that is away or hangs: `state` says so within 4 s, and it tries again after
 * 0.2 to 1 s with jitter. `amqps` is TLS with a certificate for that host from a CA that `tls`
 * trusts (without it, one that Node trusts), asked again at each connection.
 */
export function connectBroker(options: BrokerOptions): Broker {
  const { tls = { rejectUnauthorized: true } } = options;
  const urls = urlsOf(options);
  const listeners = new Set<() => void>();
  let model: ChannelModel | null = null;
  let state: BrokerState = "connecting";
  let failures = 0;
  let turn = 0;
  let retry: NodeJS.Timeout | undefined;

  function lost(fault: unknown): void {
    model = null;
    if (state === "closed") return;
    if (state !== "connecting" || failures === 0) {
      options.logger.warn({ code: codeOf(fault) }, "broker away, reconnecting");
    }
    state = "connecting";
    turn += 1;
    retry = setTimeout(open, backoffMs(failures++, FIRST_RETRY_MS, MAX_RETRY_MS));
  }

  async function open(): Promise<void> {
    const url = urls[turn % urls.length] as string;
    try {
      const opened = await connect(url, {
        ...(url.startsWith("amqps:") ? tls : {}), // its context as it is now
        timeout: CONNECT_TIMEOUT_MS,
        noDelay: true,
        keepAlive: true,
      });
      // Without a listener an error ends the process; `close` follows it.
      opened.on("error", () => {});
      if (state === "closed") return void (await settlesWithin(opened.close(), CLOSE_TIMEOUT_MS));
      opened.once("close", lost);
      opened.on("blocked", () => {
        if (model === opened) state = "blocked";
      });
      opened.on("unblocked", () => {
        if (model === opened) state = "connected";
      });
      watchBroker(opened);
      model = opened;
      failures = 0;
      state = "connected";
      options.logger.info({}, "broker connected");
      for (const listener of listeners) listener();
    } catch (error) {
      lost(error);
    }
  }

  async function channelOf<T extends Channel>(create: (from: ChannelModel) => Promise<T>): Promise<T> {
    if (model === null) throw new BrokerUnavailable();
    const opening = create(model);
    if (!(await settlesWithin(opening, OPERATION_TIMEOUT_MS))) throw new BrokerUnavailable();
    const channel = await opening;
    channel.on("error", () => {});
    return channel;
  }

  void open();
  return {
    logger: options.logger,
    state: () => state,
    createChannel: () => channelOf((from) => from.createChannel()),
    createConfirmChannel: () => channelOf((from) => from.createConfirmChannel()),
    onConnected(listener) {
      listeners.add(listener);
      if (state === "connected") listener();
      return () => listeners.delete(listener);
    },
    async close() {
      state = "closed";
      clearTimeout(retry);
      const open = model;
      model = null;
      if (open !== null && !(await settlesWithin(open.close(), CLOSE_TIMEOUT_MS))) endConnection(open);
    },
  };
}

/** Of every node, the first one's first. */
function urlsOf({ url, nodes = [] }: BrokerOptions): string[] {
  const first = new URL(url);
  if (!first.searchParams.has("heartbeat")) first.searchParams.set("heartbeat", String(HEARTBEAT_SECONDS));
  const others = nodes.map(({ host, port }) => {
    const one = new URL(first);
    one.host = host.includes(":") ? `[${host}]` : host;
    one.port = String(port);
    return one.href;
  });
  return [first.href, ...others];
}
