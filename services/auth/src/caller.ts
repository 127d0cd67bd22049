import { type Actor, DEVICE_HEADER } from "@medvault/contracts";
import { actorOf } from "@medvault/service-kit";
import type { Request } from "express";

/** Who asks, and the device token that came with it, if any: whoever guesses with a known device has a lane of its own. */
export interface Caller extends Actor {
  readonly deviceToken: string | null;
}

const DEVICE_TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** The actor of a request with its device token; what is no token is none. */
export function callerOf(req: Request): Caller {
  const given = req.get(DEVICE_HEADER);
  return { ...actorOf(req), deviceToken: given !== undefined && DEVICE_TOKEN.test(given) ? given : null };
}

/** The device token of a caller, null where the use case was given a plain actor. */
export function deviceTokenOf(actor: Actor | Caller): string | null {
  return "deviceToken" in actor ? actor.deviceToken : null;
}
