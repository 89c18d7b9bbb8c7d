// The texts of the panels, menus and messages in the language that the user has chosen for ComfyUI.

import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { useTranslations } from "./panels/texts.js";

app.registerExtension({
  name: "SAGE.Translations",
  async init() {
    const response = await api.fetchApi("/i18n").catch(() => undefined); // if the server is gone, ComfyUI says so itself
    const served = response?.ok ? await response.json() : {};
    useTranslations(served, () => String(app.extensionManager.setting.get("Comfy.Locale")));
  },
});
