// A page of Vue with the element in it.
import { createApp, h } from "vue";

const credentials = async () => "owner:ann";
createApp({ render: () => h("session-manager", { src: "/api/session-cleanup", lang: "en", theme: "light", ".credentials": credentials }) }).mount("#app");
