import { UnsupportedMediaType } from "@medvault/contracts";
import express, { type Request, type RequestHandler } from "express";

export const DEFAULT_JSON_LIMIT_BYTES = 1024 * 1024;
const JSON_TYPE = /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i;

/** Bytes that a JSON body may have: one number, or one per request (`/v1/fhir` takes 16 MiB). */
export type JsonLimit = number | ((req: Request) => number);

/**
 * Reads JSON bodies: objects and arrays only, never compressed (a small one can unpack to gigabytes). A body of
 * another type is left unread for a route that streams it; a route that looks at `req.body` all the same answers
 * 415, by reading it.
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
    parser(req, res, next);
  };
}

function hasBody(req: Request): boolean {
  return req.headers["transfer-encoding"] !== undefined || Number(req.headers["content-length"] ?? 0) > 0;
}
