"""What gdb does not know of Tutti by itself: its threads, and which program runs in an address space.

The kernel's ELF file has absolute symbols `tutti_*` that say where things are in its objects (kernel debugger.rs). Its
objects are found from init's table on, as the kernel finds them: through capabilities. Memory is read by physical address,
so that it does not matter where a core was stopped.
"""

import os
import struct

import gdb

PAGE = 4096
USER_END = 1 << 48
KIND_TABLE, KIND_THREAD = 2, 3
STATES = {0: "ready", 1: "suspended", 2: "calling", 0x5600_0000: "calling", 4: "receiving", 5: "waiting", 6: "faulted",
          7: "in firmware"}


class Elf:
    """Segments and symbols of an ELF file."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.bytes = file.read()
        phoff, shoff = struct.unpack_from("<QQ", self.bytes, 32)
        phsize, phcount, shsize, shcount = struct.unpack_from("<HHHH", self.bytes, 54)
        self.code = []
        for at in range(phoff, phoff + phcount * phsize, phsize):
            kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", self.bytes, at)
            if kind == 1 and flags & 1:
                self.code.append((address, self.bytes[offset:offset + size]))
        self.symbols = []
        sections = [struct.unpack_from("<IIQQQQIIQQ", self.bytes, shoff + i * shsize) for i in range(shcount)]
        for section in sections:
            if section[1] == 2:
                self.read_symbols(section, sections[section[6]])
        self.symbols.sort()

    def read_symbols(self, table, names):
        for at in range(table[4], table[4] + table[5], 24):
            name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.bytes, at)
            start = names[4] + name
            text = self.bytes[start:self.bytes.index(b"\0", start)].decode()
            if section and (info & 15 < 3) and text and not text.startswith("$"):
                self.symbols.append((value, size, text))

    def value(self, name):
        for value, _, text in self.symbols:
            if text == name:
                return value
        raise gdb.GdbError(f"{self.path} has no symbol {name}: it was built otherwise")

    def name(self, address):
        """Function and offset."""
        best = None
        for value, size, text in self.symbols:
            if value <= address < value + size:
                best = (value, text)
        return f"{demangled(best[1])}+{address - best[0]:#x}" if best else ""

    def address(self, function):
        """The address of a function by the end of its path."""
        for value, size, text in self.symbols:
            if size and (text == function or ("::" + demangled(text)).endswith("::" + function)):
                return value
        raise gdb.GdbError(f"{os.path.basename(self.path)} has no function {function}")


def demangled(name):
    if not name.startswith(("_R", "_ZN")):
        return name
    text = gdb.execute(f"demangle -l rust -- {name}", to_string=True).strip()
    # Without the numbers of the crates.
    while "[" in text and "]" in text and text.index("[") < text.index("]"):
        inside = text[text.index("[") + 1:text.index("]")]
        if len(inside) < 12:
            break
        text = text.replace(f"[{inside}]", "")
    return text


class Files:
    """What was built."""
    kernel = None
    programs = {}

    @classmethod
    def load(cls):
        if cls.kernel is None:
            cls.kernel = Elf(os.path.join(TUTTI_FOLDER, "tutti-kernel.elf"))
            for file in sorted(os.listdir(TUTTI_FOLDER)):
                name, end = os.path.splitext(file)
                if end == ".elf" and name != "tutti-kernel":
                    cls.programs[name] = Elf(os.path.join(TUTTI_FOLDER, file))

    @classmethod
    def program(cls, name):
        cls.load()
        if name not in cls.programs:
            raise gdb.GdbError(f"no component {name}; there are: {', '.join(cls.programs)}")
        return cls.programs[name]


def where(name):
    Files.load()
    return Files.kernel.value("tutti_" + name)


class Memory:
    """Memory by physical address, while the machine stands still."""

    def __enter__(self):
        self.mode(1)
        return self

    def __exit__(self, *_):
        self.mode(0)

    def mode(self, physical):
        gdb.execute(f"maintenance packet Qqemu.PhyMemMode:{physical}", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)

    def read(self, address, count):
        return bytes(gdb.selected_inferior().read_memory(address, count))

    def word(self, address):
        return struct.unpack("<Q", self.read(address, 8))[0]

    def translate(self, root, address):
        """The physical address of a virtual one: four levels of 4 KiB tables (Arm ARM D8.3). None where nothing is."""
        table = root
        for level in range(4):
            shift = 39 - 9 * level
            entry = self.word(table + 8 * (address >> shift & 511))
            if not entry & 1:
                return None
            table = entry & 0xffff_ffff_f000
            if level == 3 or not entry & 2:
                inside = (1 << shift) - 1
                return table & ~inside | address & inside
        return None

    def at(self, root, address, count):
        """Bytes at a virtual address, all in one page."""
        place = self.translate(root, address)
        return None if place is None else self.read(place, count)


def register(name):
    return int(gdb.parse_and_eval("$" + name)) & (1 << 64) - 1


def root_of(ttbr):
    return ttbr & 0xffff_ffff_fffe


class Kernel:
    """The kernel's objects."""

    def __init__(self, memory):
        self.memory = memory
        self.root = root_of(register("TTBR1_EL1"))
        if not self.root:
            raise gdb.GdbError("the kernel has not started")

    def read(self, address, count):
        found = self.memory.at(self.root, address, count)
        if found is None:
            raise gdb.GdbError(f"the kernel has nothing at {address:#x}")
        return found

    def number(self, address, size=8):
        return int.from_bytes(self.read(address, size), "little")

    def object(self, number):
        return where("objects") + number * 64

    def threads(self):
        """All threads, from init's on, by their addresses."""
        first = self.number(where("kernel") + where("kernel_first"), 4)
        if not first:
            raise gdb.GdbError("the kernel has not started init")
        threads, tables, todo = [self.object(first)], set(), []
        todo.append(self.held(threads[0], 0))
        while todo:
            table = todo.pop()
            if not table or table in tables:
                continue
            tables.add(table)
            for kind, word in self.slots(table):
                if kind == KIND_THREAD and word not in threads:
                    threads.append(word)
                    todo.append(self.held(word, 0))
                elif kind == KIND_TABLE:
                    todo.append(word)
        return sorted(threads)

    def slots(self, table):
        bits = self.number(table + where("table_bits"), 1)
        parts = [(table, 1 << bits)]
        for part in range(where("table_parts_count")):
            first = self.number(table + where("table_parts") + 4 * part, 4)
            if first:
                parts.append((self.object(first), 1 << bits + part))
        for start, count in parts:
            # In pieces that no page boundary cuts.
            at, end = start, start + 64 * count
            while at < end:
                piece = min(end, (at | PAGE - 1) + 1) - at
                data = self.read(at, piece)
                for offset in range(0, piece, 64):
                    # In the place of slot 0 the table itself stands.
                    if at + offset != table:
                        word, = struct.unpack_from("<Q", data, offset + where("cap_object"))
                        yield data[offset + where("cap_kind")], word
                at += piece

    def held(self, thread, index):
        """The object of a capability that a thread holds: 0 its table, 1 its address space."""
        slot = thread + where("thread_held") + 64 * index
        return self.number(slot + where("cap_object")) if self.number(slot + where("cap_kind"), 1) else 0

    def space(self, thread):
        space = self.held(thread, 1)
        return self.number(space + where("space_root")) if space else 0


class Components:
    """Which program an address space holds: the one whose code is there."""
    known = {}

    @classmethod
    def of(cls, memory, root):
        if not root:
            return "?"
        name = cls.known.get(root)
        if name is None or not cls.holds(memory, root, Files.programs[name]):
            Files.load()
            fits = (name for name, elf in Files.programs.items() if cls.holds(memory, root, elf))
            name = next(fits, None)
            if name is None:
                return "?"
            cls.known[root] = name
        return name

    @staticmethod
    def holds(memory, root, elf):
        pages = [(address + at, code[at:at + PAGE]) for address, code in elf.code
                 for at in range(0, min(len(code), 4 * PAGE), PAGE)]
        return bool(pages) and all(memory.at(root, at, len(page)) == page for at, page in pages)


def running():
    """What the cores run: address of a thread's registers to core and program counter. The core is in user space."""
    selected, found = gdb.selected_thread(), {}
    frame = None
    try:
        frame = gdb.selected_frame()
    except gdb.error:
        pass
    for core in gdb.selected_inferior().threads():
        core.switch()
        pc = register("pc")
        if pc < USER_END:
            found[register("SP_EL1")] = (core.num - 1, pc, register("x29"))
    if selected is not None:
        selected.switch()
        if frame is not None and frame.is_valid():
            frame.select()
    return found


class Tutti(gdb.Command):
    """Commands for Tutti."""

    def __init__(self):
        super().__init__("tutti", gdb.COMMAND_STATUS, prefix=True)


class Threads(gdb.Command):
    """List all threads: number, component, state, core, priority, program counter."""

    def __init__(self, name):
        super().__init__(name, gdb.COMMAND_STATUS)

    def invoke(self, *_):
        now = running()
        print(f"{'NUMBER':>9}  {'COMPONENT':<18} {'STATE':<11} {'CORE':>4} {'PRIORITY':>8}  PC")
        with Memory() as memory:
            kernel = Kernel(memory)
            for thread in kernel.threads():
                self.show(kernel, thread, now.get(thread))

    @staticmethod
    def show(kernel, thread, runs):
        name = Components.of(kernel.memory, kernel.space(thread))
        state = kernel.number(thread + where("thread_state"))
        state = STATES.get(state, f"state {state}")
        core = kernel.number(thread + where("thread_core"), 1)
        pc = kernel.number(thread + where("thread_pc"))
        if runs:
            state, (core, pc, _) = "running", runs
        priority = kernel.number(thread + where("thread_priority"), 1)
        symbol = Files.programs[name].name(pc) if name in Files.programs else ""
        number = thread - where("objects") >> 6
        print(f"{number:>9}  {name:<18} {state:<11} {core:>4} {priority:>8}  {pc:#010x} {symbol}")


class Backtrace(gdb.Command):
    """tutti backtrace NUMBER: the functions that a thread is in, whether it runs or not."""

    def __init__(self):
        super().__init__("tutti backtrace", gdb.COMMAND_STACK)

    def invoke(self, argument, *_):
        now = running()
        with Memory() as memory:
            kernel = Kernel(memory)
            threads = {thread - where("objects") >> 6: thread for thread in kernel.threads()}
            thread = threads.get(int(argument, 0))
            if thread is None:
                raise gdb.GdbError("no such thread: `tutti threads` lists them")
            root = kernel.space(thread)
            elf = Files.programs.get(Components.of(memory, root))
            pc, frame = kernel.number(thread + where("thread_pc")), kernel.number(thread + where("thread_x") + 29 * 8)
            if thread in now:
                _, pc, frame = now[thread]
            for depth in range(64):
                print(f"#{depth:<3} {pc:#010x} {elf.name(pc - (4 if depth else 0)) if elf else ''}")
                # Frame pointer and return address (AAPCS64 6.4.6).
                link = memory.at(root, frame, 16) if frame and frame % 16 == 0 else None
                if not link:
                    break
                above, pc = struct.unpack("<QQ", link)
                if not pc or above <= frame and above:
                    break
                frame = above


class Symbols:
    """The symbols of one component: all are linked at the same address."""
    loaded = None

    @classmethod
    def use(cls, name):
        if name == cls.loaded:
            return
        path = Files.program(name).path
        if cls.loaded:
            gdb.execute(f"remove-symbol-file {Files.programs[cls.loaded].path}", to_string=True)
        gdb.execute(f"add-symbol-file {path}", to_string=True)
        cls.loaded = name


def component_here():
    """The component that the selected core runs; None in the kernel."""
    if register("pc") >= USER_END:
        return None
    root = root_of(register("TTBR0_EL1"))
    with Memory() as memory:
        name = Components.of(memory, root)
    return name if name in Files.programs else None


class Component(gdb.Command):
    """tutti component NAME: take the symbols of a component. A core that stops in one does so by itself."""

    def __init__(self):
        super().__init__("tutti component", gdb.COMMAND_FILES)

    def invoke(self, argument, *_):
        Symbols.use(argument.strip())

    def complete(self, text, _):
        Files.load()
        return [name for name in Files.programs if name.startswith(text)]


class ComponentBreakpoint(gdb.Breakpoint):
    """Stops in one component only, although others have code at the same address."""

    def __init__(self, component, function):
        super().__init__(f"*{Files.program(component).address(function):#x}", type=gdb.BP_HARDWARE_BREAKPOINT)
        self.component = component

    def stop(self):
        return component_here() == self.component


class Break(gdb.Command):
    """tutti break COMPONENT FUNCTION: stop where a component enters a function."""

    def __init__(self):
        super().__init__("tutti break", gdb.COMMAND_BREAKPOINTS)

    def invoke(self, argument, *_):
        words = gdb.string_to_argv(argument)
        if len(words) != 2:
            raise gdb.GdbError("give it COMPONENT FUNCTION")
        ComponentBreakpoint(*words)


def on_stop(_):
    try:
        name = component_here()
        if name:
            Symbols.use(name)
    except (gdb.error, gdb.GdbError):
        # Nothing is to stop a debugger from stopping.
        pass


Tutti()
Threads("tutti threads")
Threads("info tutti-threads")
Backtrace()
Component()
Break()
gdb.events.stop.connect(on_stop)
