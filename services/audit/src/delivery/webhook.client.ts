import { lookup } from "node:dns";
import { type ClientRequest, type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import type { SecureContext } from "node:tls";
import { connectionFault, DeliveryFailed } from "./delivery.errors.ts";
import type { Channel, Delivery } from "./delivery.ts";
import { isPublicAddress } from "./public-address.ts";
import { signedHeaders } from "./webhook-signature.ts";

/** For all of it: the name, the handshake, the answer. */
const WAIT_MS = 15_000;
/** Nothing of an answer is used but its status. */
const ANSWER_MAX_BYTES = 64 * 1024;

export interface WebhookOptions {
  /** https, or http to this machine. */
  readonly url: string;
  readonly secrets: readonly Buffer[];
  /** Whether it may be in a private network, or on this machine. */
  readonly allowPrivate: boolean;
  /** By which certificates it is known, and we to it. */
  readonly secureContext: SecureContext;
  now(): Date;
  readonly waitMs?: number;
}

/**
 * Posts alerts, signed by the scheme of Standard Webhooks 1.0 (standardwebhooks.com). It follows no
 * redirect; the address is checked after its name was resolved, and is the one that is called.
 */
export function webhookChannel(options: WebhookOptions): Channel {
  const { secrets, now, waitMs = WAIT_MS } = options;
  const url = new URL(options.url);
  const isAllowed = (address: string) => options.allowPrivate || isPublicAddress(address);
  const host = url.hostname.replace(/^\[|\]$/g, "");

  return {
    async send(delivery) {
      // An address in the URL itself is not looked up.
      if (isIP(host) !== 0 && !isAllowed(host)) throw new DeliveryFailed("private_address");
      const body = bodyOf(delivery);
      const headers = {
        ...signedHeaders(secrets, { id: delivery.id, at: now(), body }),
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "user-agent": "MedVault",
        connection: "close",
      };
      const signal = AbortSignal.timeout(waitMs);
      const sent = { method: "POST", headers, signal, lookup: checkedLookup(isAllowed), agent: false };
      const tls = { ...sent, secureContext: options.secureContext, rejectUnauthorized: true };
      const request = url.protocol === "https:" ? tlsRequest(url, tls) : plainRequest(url, sent);
      request.end(body);
      const status = await answerOf(request).catch((error: unknown) => {
        throw signal.aborted ? new DeliveryFailed("timeout") : connectionFault(error);
      });
      if (status >= 200 && status < 300) return;
      // Standard Webhooks: 410 means that the receiver wants no more.
      throw new DeliveryFailed(`status_${status}`, { isFinal: status === 410 });
    },
  };
}

/** The body in the form that Standard Webhooks recommends: type, time, data. */
function bodyOf({ change, notice, createdAt }: Delivery): string {
  return JSON.stringify({ type: `alert.${change}`, timestamp: createdAt.toISOString(), data: notice });
}

/** The status, once the answer has been read to its end, or up to its bound. */
function answerOf(request: ClientRequest): Promise<number> {
  return new Promise((resolve, reject) => {
    request.on("error", reject);
    request.on("response", (answer: IncomingMessage) => {
      const status = answer.statusCode ?? 0;
      let bytes = 0;
      answer.on("error", reject);
      answer.on("data", (piece: Buffer) => {
        bytes += piece.length;
        if (bytes <= ANSWER_MAX_BYTES) return;
        resolve(status);
        request.destroy();
      });
      answer.on("end", () => resolve(status));
    });
  });
}

/** Resolves a name as ever, and gives nothing if one of its addresses is not allowed. */
function checkedLookup(isAllowed: (address: string) => boolean): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error) return done(error, []);
      const first = found[0];
      if (!first || !found.every(({ address }) => isAllowed(address)))
        return done(new DeliveryFailed("private_address"), []);
      if (options.all) done(null, found);
      else done(null, first.address, first.family);
    });
  };
}
