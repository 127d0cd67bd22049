import { refusal } from "@medvault/contracts";

/** 410: the resource was deleted, and this caller may know that it was there. */
export class ResourceDeleted extends refusal(
  "resource_deleted",
  "This resource was deleted. Its history may still be read by those who may write such resources.",
) {}
