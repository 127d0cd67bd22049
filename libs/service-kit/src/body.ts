import { InvalidInput, UnsupportedMediaType } from "@medvault/contracts";
import express, { type Request, type RequestHandler } from "express";

const DEFAULT_JSON_LIMIT_BYTES = 1024 * 1024;
/** Levels of objects and arrays; FHIR bundles need about 20. */
const MAX_DEPTH = 64;
const JSON_TYPE = /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i;

/** Bytes that a JSON body may have: one number, or one per request (`/v1/fhir` takes 16 MiB). */
export type JsonLimit = number | ((req: Request) => number);

/**
 * Reads JSON bodies: objects and arrays only, never compressed (which can unpack to gigabytes). One
 * of another type is left unread for a route that streams it; reading `req.body` then answers 415.
 */
export function jsonBody(limit: JsonLimit = DEFAULT_JSON_LIMIT_BYTES): RequestHandler {
  const parsers = new Map<number, RequestHandler>();
  return (req, res, next) => {
    if (!hasBody(req)) return next();
    if (!JSON_TYPE.test(req.get("content-type") ?? "")) {
      Object.defineProperty(req, "body", {
        configurable: true,
        get: () => {
          throw new UnsupportedMediaType("Send application/json.");
        },
        set: (value: unknown) => Object.defineProperty(req, "body", { value, writable: true }),
      });
      return next();
    }
    const bytes = typeof limit === "number" ? limit : limit(req);
    let parser = parsers.get(bytes);
    if (!parser) {
      parser = express.json({ limit: bytes, strict: true, inflate: false, type: () => true });
      parsers.set(bytes, parser);
    }
    parser(req, res, (error?: unknown) => {
      // Depth is bounded here, once, so that later recursion (schemas, canonical form) is safe.
      if (error === undefined && isDeeperThan(req.body, MAX_DEPTH)) {
        return next(
          new InvalidInput(undefined, [{ path: "", message: `is nested deeper than ${MAX_DEPTH}` }]),
        );
      }
      next(error);
    });
  };
}

/** By level, not by recursion: a body may be nested a million deep. */
function isDeeperThan(value: unknown, most: number): boolean {
  let level = [value].filter(isContainer);
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((each) => Object.values(each).filter(isContainer));
  }
  return false;
}

function hasBody(req: Request): boolean {
  return req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
