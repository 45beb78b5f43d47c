// What WebGL draws on a canvas beneath the figure, whose axes say where: the cloud of all points, then the front's lines
// and its marks. A filter only changes the points' ink, so that ten thousands are drawn anew within a frame.

((explorer) => {
    const VERTEX = `
        attribute float x, y, shape, girth;
        attribute vec4 ink;
        uniform vec4 span;
        uniform float pixels;
        varying vec4 v_ink;
        varying float v_shape;
        void main() {
            v_ink = ink;
            v_shape = shape;
            gl_PointSize = girth * pixels * (shape > 0.5 ? 1.4 : 1.0);
            vec2 place = vec2((x - span.x) * span.y, (y - span.z) * span.w) * 2.0 - 1.0;
            gl_Position = ink.a > 0.0 ? vec4(place, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
        }`;
    const FRAGMENT = `
        precision mediump float;
        varying vec4 v_ink;
        varying float v_shape;
        uniform bool solid;
        void main() {
            vec2 from = gl_PointCoord * 2.0 - 1.0;
            float distance = v_shape > 0.5 ? abs(from.x) + abs(from.y) : length(from);
            if (!solid && distance > 1.0) { discard; }
            gl_FragColor = vec4(v_ink.rgb * v_ink.a, v_ink.a);
        }`;
    // What each attribute has where a layer does not say it for every vertex: a disc of five pixels.
    const USUAL = { shape: 0, girth: 5 };
    // In the order in which they are drawn, one over the other.
    const LAYERS = ["cloud", "lines", "marks"];

    function compiled(gl) {
        const program = gl.createProgram();
        for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
            const shader = gl.createShader(kind);
            gl.shaderSource(shader, source);
            gl.compileShader(shader);
            gl.attachShader(program, shader);
        }
        gl.linkProgram(program);
        return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
    }

    class Cloud {
        constructor(canvas) {
            this.canvas = canvas;
            this.gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
            this.program = this.gl && compiled(this.gl);
            this.layers = Object.fromEntries(LAYERS.map((name) => [name, { count: 0, buffers: {} }]));
            if (!this.program) {
                return;
            }
            this.gl.useProgram(this.program);
            this.gl.enable(this.gl.BLEND);
            this.gl.blendFunc(this.gl.ONE, this.gl.ONE_MINUS_SRC_ALPHA);
        }

        // Whether this browser can draw it at all.
        get works() {
            return Boolean(this.program) && !this.gl.isContextLost();
        }

        // Gives a layer some of its attributes: x and y (logarithms on a log axis), shape (1 is a diamond), girth in
        // pixels, and ink, red, green, blue and opacity from 0 to 255. What has no opacity is not drawn, and need not
        // have a place.
        put(name, attributes) {
            const { gl } = this;
            const layer = this.layers[name];
            for (const [attribute, values] of Object.entries(attributes)) {
                layer.buffers[attribute] ??= gl.createBuffer();
                gl.bindBuffer(gl.ARRAY_BUFFER, layer.buffers[attribute]);
                gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
                layer.count = attribute === "x" ? values.length : layer.count;
            }
        }

        bind({ buffers }) {
            const { gl } = this;
            for (const name of ["x", "y", "shape", "girth", "ink"]) {
                const place = gl.getAttribLocation(this.program, name);
                if (!buffers[name]) {
                    gl.disableVertexAttribArray(place);
                    gl.vertexAttrib1f(place, USUAL[name]);
                    continue;
                }
                gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
                gl.enableVertexAttribArray(place);
                const isInk = name === "ink";
                const type = name === "x" || name === "y" ? gl.FLOAT : gl.UNSIGNED_BYTE;
                gl.vertexAttribPointer(place, isInk ? 4 : 1, type, isInk, 0, 0);
            }
        }

        // `box` is the place of the axes on the page, `span` what they reach over, both {left, top, width, height}-like.
        draw(box, span) {
            const { gl, canvas } = this;
            const scale = window.devicePixelRatio || 1;
            const [width, height] = [Math.round(box.width * scale), Math.round(box.height * scale)];
            if (canvas.width !== width || canvas.height !== height) {
                [canvas.width, canvas.height] = [width, height];
            }
            for (const side of ["left", "top", "width", "height"]) {
                canvas.style[side] = `${box[side]}px`;
            }
            gl.viewport(0, 0, width, height);
            gl.clearColor(0, 0, 0, 0);
            gl.clear(gl.COLOR_BUFFER_BIT);
            const [[x0, x1], [y0, y1]] = [span.x, span.y];
            gl.uniform4f(gl.getUniformLocation(this.program, "span"), x0, 1 / (x1 - x0), y0, 1 / (y1 - y0));
            gl.uniform1f(gl.getUniformLocation(this.program, "pixels"), scale);
            for (const name of LAYERS.filter((one) => this.layers[one].count)) {
                this.bind(this.layers[name]);
                gl.uniform1i(gl.getUniformLocation(this.program, "solid"), name === "lines" ? 1 : 0);
                gl.drawArrays(name === "lines" ? gl.LINES : gl.POINTS, 0, this.layers[name].count);
            }
        }
    }

    Object.assign(explorer, { Cloud });
})((window.frontierExplorer ||= {}));
