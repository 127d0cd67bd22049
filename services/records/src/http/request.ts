import { Id, NotFound } from "@medvault/contracts";
import type { Request, Response } from "express";
import type { WriteAnswer, WriteRequest } from "../resources/write.service.ts";

/** An id of the path. What is no id names nothing: NotFound, like an id that nobody has. */
export function idOf(req: Request, name = "id"): string {
  const id = Id.safeParse(req.params[name]);
  if (!id.success) throw new NotFound();
  return id.data;
}

/** The request as its Idempotency-Key sees it. */
export function writeRequestOf(req: Request): WriteRequest {
  return {
    key: req.get("idempotency-key"),
    method: req.method,
    path: req.path,
    body: req.body ?? null,
  };
}

export function send<T>(res: Response, answer: WriteAnswer<T>): void {
  res.status(answer.status).set(answer.headers).json(answer.body);
}
