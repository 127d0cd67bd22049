import { InvalidInput, UnsupportedMediaType } from "@medvault/contracts";
import express, { type Request, type RequestHandler } from "express";
import { readLossless } from "./lossless-json.ts";

const DEFAULT_JSON_LIMIT_BYTES = 1024 * 1024;
/** Levels of objects and arrays; FHIR bundles need about 20. */
const MAX_DEPTH = 64;
const JSON_TYPE = /^application\/([a-z0-9.-]+\+)?json\s*(;|$)/i;

/** Bytes that a JSON body may have: one number, or one per request (`/v1/fhir` takes 16 MiB). */
export type JsonLimit = number | ((req: Request) => number);
const CHARSET = /;\s*charset\s*=\s*"?([^";\s]+)/i;

/**
 * Reads JSON bodies: objects and arrays only, never compressed (which can unpack to gigabytes). One
 * of another type is left unread for a route that streams it; reading `req.body` then answers 415.
 * Where `isLossless`, numbers keep their digits, as `readLossless` has it.
 */
export function jsonBody(
  limit: JsonLimit = DEFAULT_JSON_LIMIT_BYTES,
  isLossless: (req: Request) => boolean = () => false,
): RequestHandler {
  const parsers = new Map<string, RequestHandler>();
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
    const parser = parserOf(parsers, bytes, isLossless(req));
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

function parserOf(parsers: Map<string, RequestHandler>, bytes: number, isLossless: boolean): RequestHandler {
  const name = `${bytes} ${isLossless}`;
  const options = { limit: bytes, inflate: false, type: () => true };
  const parser =
    parsers.get(name) ?? (isLossless ? lossless(options) : express.json({ ...options, strict: true }));
  parsers.set(name, parser);
  return parser;
}

function lossless(options: Parameters<typeof express.raw>[0]): RequestHandler {
  const read = express.raw(options);
  return (req, res, next) => {
    const [, charset = "utf-8"] = CHARSET.exec(req.get("content-type") ?? "") ?? [];
    if (charset.toLowerCase() !== "utf-8") return next(new UnsupportedMediaType("Send JSON in UTF-8."));
    read(req, res, (error?: unknown) => {
      if (error !== undefined || !Buffer.isBuffer(req.body)) return next(error);
      bodyOf(req.body).then((body) => {
        req.body = body;
        next();
      }, next);
    });
  };
}

async function bodyOf(bytes: Buffer): Promise<unknown> {
  if (bytes.length === 0) return {};
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new InvalidInput("The body is not valid UTF-8.");
  }
  const body = await readLossless(text);
  if (!isContainer(body)) throw new InvalidInput("The body is not valid JSON.");
  return body;
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
