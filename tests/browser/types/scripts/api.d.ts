import type { ComfyApi } from "@comfyorg/comfyui-frontend-types";

/** Messages of the pack itself. For these there is addCustomEventListener, but ComfyUI 0.3.75 does not have it. */
interface OwnMessages {
  addEventListener(type: `sage.${string}`, callback: (event: CustomEvent<unknown>) => void): void;
}

export declare const api: ComfyApi & OwnMessages;
