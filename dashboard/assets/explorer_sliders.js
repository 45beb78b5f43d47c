// The sliders of limits and of time. They are plain range inputs, as the browser alone knows what they reach over.

((explorer) => {
    const STEPS = 1000;

    function element(tag, properties, ...children) {
        const made = Object.assign(document.createElement(tag), properties);
        made.append(...children);
        return made;
    }

    // The quantities worth a limit: those with values; a predicted latency only where there are measured ones too.
    function limited(points, quantities) {
        const known = Object.keys(quantities).filter((name) => points.sorted(name).length);
        return known.filter((name) => name !== "latency_predicted_ms" || known.includes("latency_measured_ms"));
    }

    // A slider goes by rank: each step leaves out as many architectures as any other, however the values are spread.
    function atStep(sorted, step) {
        return sorted[Math.min(sorted.length - 1, Math.floor((step / STEPS) * (sorted.length - 1)))];
    }

    function stepOf(sorted, limit) {
        let [low, high] = [0, sorted.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            [low, high] = sorted[middle] <= limit ? [middle + 1, high] : [low, middle];
        }
        return Math.round((STEPS * Math.max(0, low - 1)) / Math.max(1, sorted.length - 1));
    }

    function unitOf(quantity) {
        return { latency: " (ms)", count: " (millions)", bytes: " (MiB)", loss: "" }[quantity.kind];
    }

    function limitRow(state, name) {
        const quantity = state.start.quantities[name];
        const id = `explorer-limit-${name}`;
        const words = `${quantity.label}${unitOf(quantity)} at most`;
        const slider = element("input", { type: "range", id, min: 0, max: STEPS, step: 1 });
        const number = element("input", { type: "number", step: "any", placeholder: "no limit" });
        number.setAttribute("aria-label", `${words}, as a number`);
        const sorted = () => state.points.sorted(name);
        const tell = (limit) => {
            slider.setAttribute("aria-valuetext", limit === undefined ? "no limit" : explorer.spoken(quantity, limit));
        };
        const limit = (value) => {
            const { [name]: _, ...others } = state.view.limits;
            tell(value);
            explorer.change({ limits: value === undefined ? others : { ...others, [name]: value } });
        };
        slider.addEventListener("input", () => {
            const value = Number(slider.value) === STEPS ? undefined : atStep(sorted(), Number(slider.value));
            number.value = value === undefined ? "" : explorer.significant(value / quantity.scale, 4);
            limit(value);
        });
        number.addEventListener("change", () => {
            const value = number.value === "" ? undefined : Number(number.value) * quantity.scale;
            slider.value = value === undefined ? STEPS : stepOf(sorted(), value);
            limit(value);
        });
        const show = () => {
            const value = state.view.limits[name];
            slider.value = value === undefined ? STEPS : stepOf(sorted(), value);
            number.value = value === undefined ? "" : explorer.significant(value / quantity.scale, 4);
            tell(value);
        };
        show();
        const label = element("label", { htmlFor: id, textContent: words });
        return { show, row: element("div", { className: "explorer-limit" }, label, slider, number) };
    }

    // Makes the sliders of every quantity that has values; done again only where another one came to have some.
    function drawLimits(state) {
        const names = limited(state.points, state.start.quantities);
        if (state.limited !== names.join()) {
            state.limited = names.join();
            state.limitRows = names.map((name) => limitRow(state, name));
            document.getElementById("explorer-limits").replaceChildren(...state.limitRows.map(({ row }) => row));
        }
    }

    function showLimits(state) {
        (state.limitRows || []).forEach(({ show }) => show());
    }

    function makeTime(state) {
        const slider = element("input", { type: "range", id: "explorer-at", min: 1, step: 1 });
        const label = element("label", { htmlFor: "explorer-at" });
        slider.addEventListener("input", () => {
            const at = Number(slider.value);
            explorer.change({ at: at >= state.points.latest ? 0 : at });
        });
        document.getElementById("explorer-time").replaceChildren(label, slider);
        state.time = { slider, label };
    }

    // Moves the time slider to the view's evaluation and says which front that is.
    function drawTime(state) {
        if (!state.time) {
            makeTime(state);
        }
        const { slider, label } = state.time;
        const { latest } = state.points;
        const at = state.view.at || latest;
        const words = `Front as of evaluation ${explorer.groups(at)} of ${explorer.groups(latest)}`;
        const members = `${explorer.groups(state.front.length)} on it`;
        slider.max = Math.max(1, latest);
        slider.value = at;
        slider.disabled = latest < 2;
        slider.setAttribute("aria-valuetext", `${words}, ${members}`);
        label.textContent = `${words}${state.view.at ? "" : " (now)"}: ${members}`;
    }

    Object.assign(explorer, { drawLimits, showLimits, drawTime });
})((window.frontierExplorer ||= {}));
