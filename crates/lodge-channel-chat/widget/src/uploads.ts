// Sending one file: refused early where it is too large, with progress, to be cancelled, refusals in words. The session's
// secret goes in a header.

import type { Limits } from "./frames";
import type { Uploaded } from "./outbox";

/** Why a file was not taken; `detail` is the server's own explanation, if it gave one. */
export interface Refusal {
  code: "too_large" | "type" | "rate" | "failed";
  detail: string | null;
}

/** A file on its way. `share` is in [0, 1]. */
export interface Upload {
  file: File;
  share: number;
  done: Uploaded | null;
  refused: Refusal | null;
  cancel(): void;
}

/** Begins to send `file` to `base`; `changed` is called at every step until it is done or refused. */
export function upload(file: File, base: string, secret: () => string | null, limits: Limits, changed: () => void): Upload {
  const request = new XMLHttpRequest();
  const state: Upload = { file, share: 0, done: null, refused: null, cancel: () => request.abort() };
  const refuse = (code: Refusal["code"], detail: string | null = null): void => {
    state.refused = { code, detail };
    changed();
  };
  if (file.size > limits.upload_bytes) {
    state.refused = { code: "too_large", detail: null };
    return state;
  }
  request.open("POST", `${base}/uploads`);
  request.setRequestHeader("Authorization", `Bearer ${secret() ?? ""}`);
  request.upload.onprogress = (event) => {
    if (event.lengthComputable && event.total > 0) state.share = event.loaded / event.total;
    changed();
  };
  request.onerror = () => refuse("failed");
  request.onload = () => {
    const answer = fields(request.responseText);
    if (request.status !== 201) {
      refuse(meaning(request.status), word(answer.detail));
      return;
    }
    const id = word(answer.id);
    if (id === null) {
      refuse("failed");
      return;
    }
    state.share = 1;
    state.done = {
      id,
      name: word(answer.name) ?? file.name,
      media_type: word(answer.media_type) ?? "",
      size: typeof answer.size === "number" ? answer.size : file.size,
    };
    changed();
  };
  const form = new FormData();
  form.append("file", file, file.name);
  request.send(form);
  return state;
}

function meaning(status: number): Refusal["code"] {
  if (status === 413) return "too_large";
  if (status === 415) return "type";
  return status === 429 ? "rate" : "failed";
}

function fields(text: string): { [name: string]: unknown } {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as { [name: string]: unknown }) : {};
  } catch {
    return {};
  }
}

function word(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
