package bundles

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/deputyauth/deputy/policies"
)

// Whatever policy may read must tell two questions apart. This changes every
// field of an input in turn, so that a field added later cannot be forgotten.
func TestEveryFactMakesAnotherQuestion(t *testing.T) {
	whole := func() *policies.Input {
		in := &policies.Input{}
		fill(reflect.ValueOf(in).Elem())
		return in
	}
	first := identify(*whole())
	require.Equal(t, first, identify(*whole()))
	changed := 0
	leaves(reflect.ValueOf(whole()).Elem(), "Input", func(path string, change func(root reflect.Value)) {
		in := whole()
		change(reflect.ValueOf(in).Elem())
		if path == "Input.Now" {
			require.Equal(t, first, identify(*in), "time is what valid_until is for")
			return
		}
		changed++
		require.NotEqual(t, first, identify(*in), path)
	})
	t.Logf("%d fields changed", changed)
	require.Greater(t, changed, 60)
}

// fill gives every field a value: two members to each list and map.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("text")
	case reflect.Int64, reflect.Int:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint('5')
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		if isFact(v) {
			v.FieldByName("Digest").SetString("digest")
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range []string{"a", "b"} {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(value)
			v.SetMapIndex(reflect.ValueOf(key), value)
		}
	}
}

func isFact(v reflect.Value) bool { return v.FieldByName("Digest").IsValid() }

// leaves calls visit for every value below v, with a function that changes that
// value in another tree of the same form.
func leaves(v reflect.Value, path string, visit func(string, func(reflect.Value))) {
	walk(v, path, func(root reflect.Value) reflect.Value { return root }, visit)
}

func walk(v reflect.Value, path string, at func(reflect.Value) reflect.Value, visit func(string, func(reflect.Value))) {
	switch v.Kind() {
	case reflect.String:
		visit(path, func(root reflect.Value) { at(root).SetString("other") })
	case reflect.Int64, reflect.Int:
		visit(path, func(root reflect.Value) { at(root).SetInt(8) })
	case reflect.Bool:
		visit(path, func(root reflect.Value) { at(root).SetBool(false) })
	case reflect.Pointer:
		visit(path+" gone", func(root reflect.Value) { at(root).SetZero() })
		walk(v.Elem(), path, func(root reflect.Value) reflect.Value { return at(root).Elem() }, visit)
	case reflect.Struct:
		if isFact(v) {
			walk(v.FieldByName("Digest"), path, func(root reflect.Value) reflect.Value { return at(root).FieldByName("Digest") }, visit)
			return
		}
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, func(root reflect.Value) reflect.Value { return at(root).Field(i) }, visit)
		}
	case reflect.Uint8: // of an object in JSON
		visit(path, func(root reflect.Value) { at(root).SetUint('7') })
	case reflect.Slice:
		visit(path+" null", func(root reflect.Value) { at(root).SetZero() })
		visit(path+" shorter", func(root reflect.Value) { at(root).SetLen(1) })
		visit(path+" empty", func(root reflect.Value) { at(root).SetLen(0) })
		walk(v.Index(1), path+"[1]", func(root reflect.Value) reflect.Value { return at(root).Index(1) }, visit)
	case reflect.Map:
		visit(path+" null", func(root reflect.Value) { at(root).SetZero() })
		visit(path+" smaller", func(root reflect.Value) { at(root).SetMapIndex(reflect.ValueOf("b"), reflect.Value{}) })
		visit(path+" renamed", func(root reflect.Value) {
			m := at(root)
			m.SetMapIndex(reflect.ValueOf("c"), m.MapIndex(reflect.ValueOf("b")))
			m.SetMapIndex(reflect.ValueOf("b"), reflect.Value{})
		})
		inMap(v, path, at, visit)
	}
}

// inMap changes a map's value by way of a copy, for those in it cannot be set.
func inMap(v reflect.Value, path string, at func(reflect.Value) reflect.Value, visit func(string, func(reflect.Value))) {
	value := reflect.New(v.Type().Elem()).Elem()
	value.Set(v.MapIndex(reflect.ValueOf("b")))
	leaves(value, path+".b", func(inner string, change func(reflect.Value)) {
		visit(inner, func(root reflect.Value) {
			m := at(root)
			copied := reflect.New(m.Type().Elem()).Elem()
			fill(copied)
			change(copied)
			m.SetMapIndex(reflect.ValueOf("b"), copied)
		})
	})
}
