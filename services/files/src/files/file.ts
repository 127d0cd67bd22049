import type { FileView } from "@medvault/contracts";

/** Whether a file, or what it is attached to, was closed to someone. */
export function isClosed(
  { id, attachedTo }: Pick<StoredFile, "id" | "attachedTo">,
  closed: readonly string[],
): boolean {
  const parts = [
    "file/*",
    `file/${id}`,
    ...(attachedTo === null ? [] : [attachedTo, attachedTo.replace(/\/.*/, "/*")]),
  ];
  return parts.some((part) => closed.includes(part));
}

/** A stored file. `fileKey` and `sha256` (of the plain content) exist only in its sealed box. */
export interface StoredFile {
  id: string;
  rev: number;
  patientId: string;
  attachedTo: string | null;
  name: string;
  contentType: string;
  sizeBytes: number;
  sha256: string;
  state: "stored";
  uploadedBy: string;
  /** Where the ciphertext is, and what it must be. */
  blob: string;
  blobBytes: number;
  blobSha256: string;
  /** The file's own key, base64. */
  fileKey: string;
}

export type FoundFile = StoredFile & { createdAt: Date };

/** What callers see of it, in the chart of the patient whom they reach it by. */
export function viewOf(file: FoundFile, patientId: string): FileView {
  return {
    id: file.id,
    patientId,
    attachedTo: file.attachedTo,
    name: file.name,
    contentType: file.contentType,
    size: file.sizeBytes,
    sha256: file.sha256,
    state: file.state,
    uploadedBy: file.uploadedBy,
    createdAt: file.createdAt.toISOString(),
  };
}

/** The prescription that a file is attached to, if any. */
export function prescriptionOf(attachedTo: string | null | undefined): string | undefined {
  return attachedTo?.startsWith("prescription/") ? attachedTo.slice("prescription/".length) : undefined;
}
