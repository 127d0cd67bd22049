import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  ASSERTION_HEADER,
  FileContentQuery,
  FileListQuery,
  FilePage,
  FileView,
  UploadAnswer,
} from "@medvault/contracts";
import { actorOf, allow, etagOf, ifMatch, parse, problemOf, requestIdOf } from "@medvault/service-kit";
import type { Request, Response, Router } from "express";
import type { Caller } from "./access.ts";
import { mayBeInline } from "./content.ts";
import type { Content } from "./content-reader.ts";
import { InlineRefused, RangeNotSatisfiable } from "./file.errors.ts";
import type { FileService } from "./file.service.ts";
import type { FoundFile } from "./file.ts";
import { contentDisposition } from "./file-name.ts";
import { readMultipart } from "./multipart.ts";
import { parseRange } from "./range.ts";

export function fileRoutes(router: Router, files: FileService, maxFileBytes: number): void {
  router.post("/v1/files", allow("file:write"), async (req, res) => {
    const answer = await files.store(actorOf(req), callerOf(req), req.get("idempotency-key"), (upload) =>
      readMultipart(req, maxFileBytes, upload),
    );
    res.status(201).json(UploadAnswer.parse(answer));
  });

  router.get("/v1/files", allow("file:read"), async (req, res) => {
    const page = await files.list(actorOf(req), callerOf(req), parse(FileListQuery, req.query));
    res.json(FilePage.parse(page));
  });

  router.get("/v1/files/:id", allow("file:read"), async (req, res) => {
    const { view, rev } = await files.describe(actorOf(req), callerOf(req), idOf(req));
    res.set("ETag", etagOf(rev)).json(FileView.parse(view));
  });

  router.get("/v1/files/:id/content", allow("file:read"), async (req, res) => {
    const { disposition = "attachment" } = parse(FileContentQuery, req.query);
    const { file, content, noteRead } = await files.open(actorOf(req), callerOf(req), idOf(req));
    try {
      if (disposition === "inline" && !mayBeInline(file.contentType)) throw new InlineRefused();
      res.setHeaders(contentHeaders(file, disposition));
      await send(req, res, file, content, noteRead);
    } finally {
      await content.close();
    }
  });

  router.delete("/v1/files/:id", allow("file:delete"), async (req, res) => {
    await files.remove(actorOf(req), callerOf(req), idOf(req), ifMatch(req));
    res.status(204).end();
  });
}

function idOf(req: Request): string {
  return String(req.params.id);
}

function callerOf(req: Request): Caller {
  const { requestId, purpose, traceparent } = actorOf(req);
  return { assertion: req.get(ASSERTION_HEADER) ?? "", requestId, purpose, traceparent };
}

/** The policy keeps a document that a browser opens all the same from running or loading anything. */
function contentHeaders(file: FoundFile, disposition: "attachment" | "inline"): Headers {
  // Not res.set(), which would add a charset that nobody knows.
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
 * Sends all of it or one range. The first chunk is proved, and the reading noted, before the status leaves; damage
 * further on ends the connection, so that the client sees a body that is too short, never wrong bytes.
 */
async function send(
  req: Request,
  res: Response,
  file: FoundFile,
  content: Content,
  noteRead: () => Promise<void>,
): Promise<void> {
  const conditional = req.get("if-range");
  const wanted = conditional === undefined || conditional === etagOf(file.rev) ? req.get("range") : undefined;
  const range = parseRange(wanted, file.sizeBytes);
  if (range === "unsatisfiable") {
    const problem = problemOf(new RangeNotSatisfiable(), requestIdOf(req), req.path);
    // Not thrown: the kit's problems carry no Content-Range, and this one must (RFC 9110, 15.5.17).
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
