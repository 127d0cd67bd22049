import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileApi } from "@medvault/contracts";
import {
  callerOf,
  etagOf,
  problemOf,
  type Route,
  requestIdOf,
  route,
  streamRoute,
} from "@medvault/service-kit";
import type { Request, Response } from "express";
import type { Context } from "../context.ts";
import type { Content } from "./content.service.ts";
import { mayBeInline } from "./content.ts";
import { InlineRefused, RangeNotSatisfiable } from "./file.errors.ts";
import { listFilesOf, openFile, readFile, removeFile, storeFiles } from "./file.service.ts";
import type { FoundFile } from "./file.ts";
import { contentDisposition } from "./file-name.ts";
import { readMultipart } from "./multipart.ts";
import { parseRange } from "./range.ts";

export const fileRoutes = (context: Context): Route[] => [
  route(fileApi.create, ({ actor, req, write }) =>
    storeFiles(context, callerOf(actor, req), write.key, (upload) =>
      readMultipart(req, context.maxFileBytes, upload),
    ),
  ),
  route(fileApi.list, async ({ actor, req, query }) => ({
    body: await listFilesOf(context, callerOf(actor, req), query),
  })),
  route(fileApi.read, ({ actor, req, params }) => readFile(context, callerOf(actor, req), params.id)),
  streamRoute(fileApi.content, async ({ actor, req, res, params, query }) => {
    const { disposition = "attachment" } = query;
    const { file, content, noteRead } = await openFile(context, callerOf(actor, req), params.id);
    try {
      if (disposition === "inline" && !mayBeInline(file.contentType)) throw new InlineRefused();
      res.setHeaders(contentHeaders(file, disposition));
      await send(req, res, file, content, noteRead);
    } finally {
      await content.close();
    }
  }),
  route(fileApi.remove, async ({ actor, req, params, ifMatch }) => {
    await removeFile(context, callerOf(actor, req), params.id, ifMatch);
    return {};
  }),
];

/** The policy keeps a document that a browser opens after all from running or loading anything. */
function contentHeaders(file: FoundFile, disposition: "attachment" | "inline"): Headers {
  // Not res.set(), which would add a charset.
  return new Headers({
    "Content-Type": file.contentType,
    "Content-Disposition": contentDisposition(disposition, file.name),
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
    "Accept-Ranges": "bytes",
    ETag: etagOf(file.rev),
  });
}

/**
 * Sends all of it or one range. The first chunk is authenticated, and the read recorded, before the
 * status leaves; later damage ends the connection: a short body, never wrong bytes.
 */
async function send(
  req: Request,
  res: Response,
  file: FoundFile,
  content: Content,
  noteRead: () => Promise<void>,
): Promise<void> {
  const conditional = req.get("if-range");
  // A range is one of GET alone (RFC 9110, 14.2).
  const ranged = req.method === "GET" && (conditional === undefined || conditional === etagOf(file.rev));
  const wanted = ranged ? req.get("range") : undefined;
  const range = parseRange(wanted, file.sizeBytes);
  if (range === "unsatisfiable") {
    const problem = problemOf(new RangeNotSatisfiable(), requestIdOf(req), req.path);
    // Not thrown: a problem has no Content-Range, and this one must (RFC 9110, 15.5.17).
    res.removeHeader("ETag");
    res.removeHeader("Content-Disposition");
    res.status(416).set("Content-Range", `bytes */${file.sizeBytes}`).type("application/problem+json");
    res.send(JSON.stringify(problem));
    return;
  }
  const { start, end } = range ?? { start: 0, end: file.sizeBytes };
  const chunks = content.read(start, end);
  const first = await chunks.next();
  await noteRead();
  if (range) res.status(206).set("Content-Range", `bytes ${start}-${end - 1}/${file.sizeBytes}`);
  res.set("Content-Length", String(end - start));
  if (req.method === "HEAD") {
    res.end();
    return;
  }
  await pipeline(Readable.from(continued(first, chunks), { objectMode: false }), res).catch(() =>
    res.destroy(),
  );
}

async function* continued(
  first: IteratorResult<Buffer, unknown>,
  rest: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}
