import type { ComfyApi } from "@comfyorg/comfyui-frontend-types";

/** A pack's own messages are heard like the page's: 0.3.75's has no addCustomEventListener, which is typed for them. */
interface OwnMessages {
  addEventListener(type: `sage.${string}`, callback: (event: CustomEvent<unknown>) => void): void;
}

export declare const api: ComfyApi & OwnMessages;
