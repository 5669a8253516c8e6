import { html, nothing, type ReactiveControllerHost } from "lit";
import type { Words } from "./i18n.ts";
import { icon } from "./icons.ts";

export interface ToastOptions {
  bad?: boolean;
  action?: string;
  run?: () => void;
}

/** Toasts are short messages at the bottom of the page. Those that say that something failed stay until they are dismissed. */
export class Toasts {
  private all: (ToastOptions & { id: number; text: string })[] = [];
  private last = 0;
  constructor(private host: ReactiveControllerHost & { renderRoot: ParentNode }) {}

  add(text: string, o: ToastOptions) {
    const id = ++this.last;
    this.all = [...this.all.slice(-2), { id, text, ...o }];
    this.host.requestUpdate();
    if (!o.bad) this.fade(id, o.action ? 60_000 : 6_000); // with the keyboard, the action is far away
  }

  /** fade ends a message after a while, unless somebody is about to use it. */
  private fade(id: number, after: number) {
    setTimeout(() => {
      const box = this.host.renderRoot.querySelector(`[data-toast="${id}"]`);
      if (box?.matches(":hover, :focus-within")) this.fade(id, 3000);
      else this.drop(id);
    }, after);
  }
  private drop(id: number) {
    this.all = this.all.filter((t) => t.id !== id);
    this.host.requestUpdate();
  }

  render(w: Words) {
    return html`<div class="toasts" role="status" aria-live="polite">${this.all.map(
      (x) => html`<div class="toast ${x.bad ? "bad" : ""}" data-toast=${x.id}><span>${x.text}</span>
        ${
          x.action
            ? html`<button data-act="undo" @click=${() => {
                this.drop(x.id);
                x.run!();
              }}>${x.action}</button>`
            : nothing
        }
        <button class="icon" aria-label=${w.t("dismiss")} @click=${() => this.drop(x.id)}>${icon("x")}</button></div>`,
    )}</div>`;
  }
}
