// A page of React with the element in it, for versions 18 and 19.
import { createElement } from "react";
import { createRoot } from "react-dom/client";

const token = (element) => { if (element) element.credentials = async () => "owner:ann"; };
createRoot(document.getElementById("app")).render(createElement("session-manager", { src: "/api/session-cleanup", lang: "en", theme: "light", ref: token }));
