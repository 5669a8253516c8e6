import { html, render, type LitElement, type TemplateResult } from "lit";
import { Problem } from "./api.ts";
import type { Frame } from "./base.ts";
import type { Key } from "./i18n.ts";
import { icon } from "./icons.ts";

/** openDialog shows a dialog inside of the element, and returns its answer; undefined when it was canceled. */
export function openDialog<T>(element: LitElement, make: (done: (answer: T | undefined) => void) => TemplateResult): Promise<T | undefined> {
  const root = element.renderRoot as ShadowRoot,
    back = root.activeElement as HTMLElement | null,
    dialog = document.createElement("dialog");
  return new Promise((answer) => {
    const end = (a: T | undefined) => {
      if (!dialog.isConnected) return;
      dialog.close();
      dialog.remove();
      element.toggleAttribute("asking", false);
      if (back?.isConnected) back.focus();
      answer(a);
    };
    render(make(end), dialog);
    const title = dialog.querySelector("h2");
    if (title) {
      title.id = "dialog-title";
      dialog.setAttribute("aria-labelledby", title.id);
    }
    dialog.addEventListener("cancel", (e) => {
      e.preventDefault();
      end(undefined);
    });
    dialog.addEventListener("click", (e) => e.target === dialog && end(undefined));
    root.append(dialog);
    element.toggleAttribute("asking", true);
    dialog.showModal();
  });
}

/** askForm shows fields in a dialog, and returns what was entered; undefined when it was canceled. */
export function askForm(f: Frame, title: string, hint: string, fields: unknown, go: Key): Promise<FormData | undefined> {
  const w = f.words;
  return f.ask<FormData>(
    (end) => html`<form method="dialog" @submit=${(e: SubmitEvent) => {
      e.preventDefault();
      end(new FormData(e.target as HTMLFormElement));
    }}>
      <h2>${title}</h2><p class="muted">${hint}</p>${fields}
      <footer><button type="button" @click=${() => end(undefined)}>${w.t("cancel")}</button><button class="primary">${w.t(go)}</button></footer></form>`,
  );
}

/** sure asks whether to go on with a deletion, or with what leads to more of them. */
export function sure(f: Frame, title: string, text: unknown, go: Key): Promise<boolean | undefined> {
  const w = f.words;
  return f.ask<boolean>(
    (end) => html`<h2>${title}</h2>${text}
      <footer><button autofocus @click=${() => end(undefined)}>${w.t("cancel")}</button><button class="primary danger" @click=${() => end(true)}>${icon("trash")}${w.t(go)}</button></footer>`,
  );
}

/** attempt makes a change, says why when it fails, and reads again what is shown. It returns whether the change succeeded. */
export async function attempt(f: Frame, change: () => Promise<void>): Promise<boolean> {
  try {
    await change();
    return true;
  } catch (e) {
    f.failed(e);
    return false;
  } finally {
    f.refresh();
  }
}

/** once does the work of a button, whose further clicks do nothing until it ends: the network may be slow. */
export const once = (work: () => Promise<unknown>) => async (e: Event) => {
  const button = e.currentTarget as HTMLElement;
  if (button.ariaBusy) return;
  button.ariaBusy = "true";
  try {
    await work();
  } finally {
    button.ariaBusy = null;
  }
};

/** unconfirmed is what the server wants to have confirmed before it does some work; undefined when it did it. */
export async function unconfirmed(work: Promise<unknown>): Promise<Record<string, any> | undefined> {
  try {
    await work;
    return undefined;
  } catch (e) {
    if (e instanceof Problem && e.kind === "confirmation-required") return e.body;
    throw e;
  }
}
