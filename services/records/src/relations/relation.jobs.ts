import type { Job } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { noteRelations } from "./relation.service.ts";

export const relationJobs = (context: Context): Job[] => [
  // In each process: what it was asked, it knows alone.
  { name: "note-relations", every: 1_000, run: ({ signal }) => noteRelations(context, new Date(), signal) },
];
