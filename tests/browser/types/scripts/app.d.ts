import type { ComfyApp } from "@comfyorg/comfyui-frontend-types";

export declare const app: ComfyApp;

declare global {
  interface Window {
    LiteGraph: { createNode(type: string): NonNullable<ReturnType<ComfyApp["graph"]["getNodeById"]>> };
  }
}
